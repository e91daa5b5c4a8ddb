"""Who calls home: the reference agent, which stands in for any other, and the HTTP that it speaks."""
