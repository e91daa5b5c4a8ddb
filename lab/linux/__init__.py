"""Objects of a Linux kernel: namespaces, links, routes, rules, processes."""
