"""The command line: parses, calls one library function, prints. Installed as `isp_cli`."""
