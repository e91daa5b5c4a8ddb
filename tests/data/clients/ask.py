"""One request of Python's requests, as an agent of today would make it; settings are the environment's."""

import requests

answer = requests.post("https://esupport.ibm.com/requests", data=b"from requests", timeout=30)
print(answer.status_code, answer.reason)
