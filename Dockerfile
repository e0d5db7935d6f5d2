# The dashboard for others. In a container it has to serve every address, so it asks for a login.
# The file of passwords must be readable by the user 10001 (chown 10001 users.json); the volume
# keeps training runs with the points of sweeps.
#   docker build -t analog-model .
#   docker run -p 5006:5006 -v "$PWD/users.json:/run/users.json:ro" -v analog-model:/var/lib/analog-model \
#     analog-model --basic-auth /run/users.json --allow-websocket-origin lab.example:5006
FROM python:3.11-slim

WORKDIR /opt/analog-model
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY analog_model analog_model
COPY dashboard dashboard
COPY data data
RUN pip install --no-cache-dir -c constraints.txt torch \
    && pip install --no-cache-dir -c constraints.txt ".[dashboard]" \
    && useradd --uid 10001 --user-group --home-dir /var/lib/analog-model --create-home analog
# By number: who forbids root (Kubernetes) cannot look a name up.
USER 10001:10001
WORKDIR /var/lib/analog-model
ENV PYTHONUNBUFFERED=1 HOME=/var/lib/analog-model
EXPOSE 5006
# Not by urllib, which would ask the proxy of the environment for this machine's own address.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 5006, timeout=4); c.request('GET', '/health'); raise SystemExit(c.getresponse().status != 200)"]
ENTRYPOINT ["analog-model", "dashboard", "--host", "0.0.0.0", "--no-open"]
