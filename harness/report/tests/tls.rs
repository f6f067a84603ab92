//! What the reports say of TLS: security findings, and what each build offers.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Level, Outcome};
use report::terminal::{TerminalOptions, render};
use report::{Format, Html, Markdown, sample};

const PLAIN: TerminalOptions = TerminalOptions { width: 100, colour: false, unicode: true };
const SECURITY: &str = "security: boots where it must refuse";

#[test]
fn the_terminal() {
    insta::assert_snapshot!(render(&sample::tls(), &PLAIN));
}

#[test]
fn the_markdown_table() {
    let text = Markdown.render(&sample::tls()).unwrap();
    let (_, section) = text.split_once("## What each build offers in TLS").unwrap();
    insta::assert_snapshot!(section.split_once("## ").unwrap().0);
}

#[test]
fn the_page_has_the_table_and_no_markup_of_others() {
    let page = Html.render(&sample::tls()).unwrap();
    let (_, section) = page.split_once("<section class=\"capabilities\"").unwrap();
    let section = section.split_once("</section>").unwrap().0;
    assert!(section.contains("secp256r1") && section.contains("&lt;&#x2f;script&gt;"), "{section}");
    assert!(!section.contains("<script"), "{section}");
    assert!(!section.contains("NULL_SHA"), "{section}");
}

#[test]
fn what_must_be_refused_and_boots_is_a_security_finding() {
    let mut results = sample::tls();
    results.cells.retain(|cell| cell.scenario == "tls/leaf-expired" && cell.params.is_empty());
    let said = |results: &record::Results| {
        let all = [render(results, &PLAIN), Markdown.render(results).unwrap(), Html.render(results).unwrap()];
        all.map(|text| text.contains(SECURITY))
    };
    assert_eq!(said(&results), [true; 3]);
    // Nor is it one if a client only should refuse it, may boot it, or did not boot; nor outside TLS.
    for change in [
        (|cell| cell.level = Level::Should) as fn(&mut record::CellResult),
        |cell| cell.expected.outcome.push(Outcome::Boots),
        |cell| cell.expected.outcome.clear(),
        |cell| cell.outcome = Some(Outcome::Hangs),
        |cell| cell.scenario = "http/error-status".to_owned(),
    ] {
        let mut other = results.clone();
        other.cells.iter_mut().for_each(change);
        assert_eq!(said(&other), [false; 3]);
    }
}

#[test]
fn a_run_without_tls_says_nothing_of_it() {
    let results = sample::results();
    let all = [render(&results, &PLAIN), Markdown.render(&results).unwrap(), Html.render(&results).unwrap()];
    assert!(all.iter().all(|text| !text.contains("offers in TLS")));
}
