from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="Order",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("customer", models.CharField(max_length=80)),
                ("items", models.JSONField(default=list)),
                ("at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
    ]
