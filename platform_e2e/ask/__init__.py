"""What a person asks a cluster from a terminal: `platform-e2e wait` and `platform-e2e explain`, without pytest."""
