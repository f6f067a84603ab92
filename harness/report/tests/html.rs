//! `index.html`: one file, no request, nothing of others as markup, quick and small.

#![allow(clippy::unwrap_used)] // helpers of tests are tests

use record::{Results, Verdict};
use report::{Format, Html, sample};

fn page() -> String {
    Html.render(&sample::results()).unwrap()
}

/// The JSON that the page's script reads.
fn data(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"data\">").unwrap();
    serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
}

#[test]
fn texts_of_others_are_never_markup() {
    let page = page();
    assert_eq!(
        page.matches("<script").count(),
        2,
        "the data and the page's own script; no evidence, no blocks"
    );
    assert_eq!(page.matches("</script").count(), 2);
    assert_eq!(page.matches("<!--").count(), 1, "the counts");
    assert!(!page.contains("<img") && !page.contains("href=\"javascript:"));
    assert!(page.contains("{{ 7*7 }}"), "no template in a text is evaluated");
}

#[test]
fn the_page_asks_for_nothing() {
    let page = page();
    let markup = &page[..page.find("id=\"data\"").unwrap()];
    let tags: Vec<_> = markup.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()).collect();
    assert!(tags.len() > 1_000, "{}", tags.len());
    for tag in tags {
        let element = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap();
        assert!(!["img", "iframe", "object", "embed", "base", "audio", "video"].contains(&element), "{tag}");
        assert!(!tag.contains(" src=") && !tag.contains(" action="), "{tag}");
        assert!(element != "link" || tag.contains("href=\"data:"), "{tag}");
    }
    assert!(!page.contains("@import") && !page.contains("url("));
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_cell_is_in_the_table_and_in_the_data() {
    let results = sample::results();
    let page = page();
    let data = data(&page);
    assert_eq!(data["cells"].as_array().unwrap().len(), results.cells.len());
    for number in 0..results.cells.len() {
        assert_eq!(page.matches(&format!("id=\"c{number}\"")).count(), 1, "c{number}");
    }
    for verdict in Verdict::ALL {
        let count = results.cells.iter().filter(|cell| cell.verdict == *verdict).count();
        assert_eq!(page.matches(&format!("<td class=\"v-{verdict}\">")).count(), count, "{verdict}");
    }
}

#[test]
fn the_numbers_of_table_and_data_agree() {
    let page = page();
    let data = data(&page);
    let verdicts = data["verdicts"].as_array().unwrap();
    for (number, cell) in data["cells"].as_array().unwrap().iter().enumerate() {
        let verdict = verdicts[cell[2].as_u64().unwrap() as usize][0].as_str().unwrap();
        assert!(
            page.contains(&format!("<td class=\"v-{verdict}\"><a id=\"c{number}\"")),
            "c{number} is {verdict}"
        );
    }
}

#[test]
fn the_first_line_and_the_title_count_all_six_verdicts() {
    let empty = Html.render(&Results { cells: Vec::new(), ..sample::results() }).unwrap();
    let counts = "0 pass, 0 fail, 0 xfail, 0 xpass, 0 unsupported, 0 error";
    assert!(empty.starts_with(&format!("<!doctype html>\n<!-- {counts} -->\n")), "{}", &empty[..200]);
    assert!(empty.contains(&format!("<title>{counts} · plugfest</title>")));
}

#[test]
fn five_thousand_cells_stay_below_five_megabytes() {
    let results = sample::sized(10, 500);
    assert_eq!(results.cells.len(), 5_000);
    let start = std::time::Instant::now();
    let page = Html.render(&results).unwrap();
    assert!(page.len() < 5_000_000, "{} bytes", page.len());
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    println!("{} bytes in {:?}", page.len(), start.elapsed());
}

#[test]
fn the_table_without_script_is_a_snapshot() {
    let mut results = sample::results();
    results.cells.retain(|cell| cell.scenario == "http/content-type" || cell.scenario == "hostile/texts");
    let page = Html.render(&results).unwrap();
    let body = &page[page.find("<body>").unwrap()..page.find("<script").unwrap()];
    insta::assert_snapshot!(body);
}
