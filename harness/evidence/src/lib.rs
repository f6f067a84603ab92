//! What a cell leaves behind: capture, console, timeline, resolved scenario
