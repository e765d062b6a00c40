"""Where people meet the agent: a web page, an OpenAI-compatible endpoint, MCP, chat services."""
