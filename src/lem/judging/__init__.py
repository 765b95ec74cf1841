"""How a judge is asked and read: settings, endpoint, requests, rubrics, what becomes of a reply."""
