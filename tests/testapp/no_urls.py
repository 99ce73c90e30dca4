"""The addresses of a host that serves nothing."""

urlpatterns: list[object] = []
