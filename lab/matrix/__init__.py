"""All topologies at once: run in parallel, shown while they run, put together for people and for CI."""
