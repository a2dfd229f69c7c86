"""Every address of ours."""

urlpatterns: list = []
