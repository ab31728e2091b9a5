"""What tests and benchmarks share: a small AWS, proxies, and the real control plane."""
