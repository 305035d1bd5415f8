"""Pages as files: a site without a server, and statements that are sent to their providers."""
