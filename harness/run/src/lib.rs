//! Plans cells, runs them, keeps their evidence, collects the results
