import json

from django.db import connection
from django.http import HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .models import Order


def healthz(request):
    connection.ensure_connection()
    return HttpResponse("ok\n", content_type="text/plain")


@csrf_exempt
@require_http_methods(["GET", "POST"])
def orders(request, customer):
    if request.method == "POST":
        Order.objects.create(customer=customer, items=json.loads(request.body))
    # A question that only PostgreSQL can answer: which orders hold a gift?
    mine = Order.objects.filter(customer=customer)
    gifts = mine.filter(items__contains=[{"gift": True}]).count()
    return JsonResponse({"customer": customer, "orders": mine.count(), "gifts": gifts})
