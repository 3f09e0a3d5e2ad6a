"""One channel per file. A sink sends and classifies the answer; it never retries and never logs."""
