//! `plugfest schema`: JSON Schemas for editors and for readers of results.

use crate::cli::{SchemaArgs, SchemaOf};
use crate::exit::{Exit, Failure};

/// Prints the schema.
pub fn schema(args: SchemaArgs) -> Result<Exit, Failure> {
    let schema = match args.of {
        SchemaOf::Scenario => scenario::json_schema(),
        SchemaOf::Results => record::Results::json_schema(),
        SchemaOf::Waivers => judge::Waivers::json_schema(),
        SchemaOf::Baseline => record::Baseline::json_schema(),
    };
    println!("{schema:#}");
    Ok(Exit::AsExpected)
}
