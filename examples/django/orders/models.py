from django.db import models


class Order(models.Model):
    customer = models.CharField(max_length=80)
    items = models.JSONField(default=list)
    at = models.DateTimeField(auto_now_add=True)
