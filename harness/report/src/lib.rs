//! Results for people and machines: terminal, JSON, Markdown, HTML
