"""How clients reach the keeper: its socket, their sessions, the framing of messages."""
