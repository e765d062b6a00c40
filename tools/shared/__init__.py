"""What several tools and experts share: finding, naming, geometry, quoting, consent."""
