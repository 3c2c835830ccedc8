"""Types that every package uses: inbound and outbound events, states, tokens, filters, errors."""
