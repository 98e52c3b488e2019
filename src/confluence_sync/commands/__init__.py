"""One file a verb: add_options(parser) and run(options) -> exit code."""
