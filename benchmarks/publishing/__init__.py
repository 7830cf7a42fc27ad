"""Publishing from a program that is no node: our `Publisher` beside a loop of requests and beside `cent`.

`python -m benchmarks.publishing [--quick] [--json FILE] [--markdown FILE]`. All ways publish the same 100 bytes to the
same server in the same run, from 1 thread and from 50; through Redis there is nobody to compare with.
"""
