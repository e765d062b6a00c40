"""Pictures coming in: decoded, stored by their content, compared with what is there."""
