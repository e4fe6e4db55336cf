"""put.py ENDPOINT: puts data into CloudWatch with AWS' own library.

Reads JSON lines from standard input: {"metric", "group", "at", "value"} puts a
value, {"sum", "group", "from", "to"} asks for a metric's sum and prints it.
"""
import datetime
import json
import sys

import boto3

cloudwatch = boto3.client("cloudwatch", region_name="eu-central-1", endpoint_url=sys.argv[1], aws_access_key_id="AK", aws_secret_access_key="secret")


def dimensions(group):
    return [{"Name": "LoadBalancer", "Value": "app/web/1"}, {"Name": "TargetGroup", "Value": group}]


def time(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)


for line in sys.stdin:
    order = json.loads(line)
    if "sum" in order:
        query = {"Id": "q", "MetricStat": {"Period": 60, "Stat": "Sum", "Metric": {
            "Namespace": "AWS/ApplicationELB", "MetricName": order["sum"], "Dimensions": dimensions(order["group"])}}}
        answer = cloudwatch.get_metric_data(StartTime=time(order["from"]), EndTime=time(order["to"]), MetricDataQueries=[query])
        print(int(sum(answer["MetricDataResults"][0]["Values"])), flush=True)
        continue
    # A load balancer sends a sum for every few requests.
    n = order["value"]
    cloudwatch.put_metric_data(Namespace="AWS/ApplicationELB", MetricData=[{
        "MetricName": order["metric"], "Dimensions": dimensions(order["group"]), "Timestamp": time(order["at"]), "Unit": "Count",
        "StatisticValues": {"SampleCount": n, "Sum": n, "Minimum": 1, "Maximum": 1}}])
    print("ok", flush=True)
