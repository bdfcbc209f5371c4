"""The driver of the benchmarks: build, envoy, cases, speed, loading, authority, report."""
