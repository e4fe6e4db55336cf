"""query.py SITE FROM TO QUERY: asks for points with Datadog's own client, which
checks the answer against the description of the API, and prints them as JSON."""
import json
import sys

from datadog_api_client import ApiClient, Configuration
from datadog_api_client.v1.api.metrics_api import MetricsApi

site, since, to, query = sys.argv[1:]
config = Configuration(host=site, api_key={"apiKeyAuth": "api", "appKeyAuth": "app"}, check_input_type=True)
with ApiClient(config) as client:
    answer = MetricsApi(client).query_metrics(_from=int(since), to=int(to), query=query)
for name in answer.to_dict():  # reading a field checks its type
    getattr(answer, name)
assert not answer._unparsed and answer.status == "ok", answer
points = {}
for series in answer.series:
    for point in series.pointlist:
        at, value = point.value
        if value is not None:
            points[str(int(at) // 1000)] = points.get(str(int(at) // 1000), 0) + value
print(json.dumps(points))
