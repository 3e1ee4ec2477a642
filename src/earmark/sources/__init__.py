"""Files fetched once, resumed, verified and safely unpacked: what datasets and weights share."""
