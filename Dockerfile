# The dashboard for others. It asks for a login, for a container serves all addresses:
#   docker build -t analog-model .
#   docker run -p 5006:5006 -v "$PWD/users.json:/run/users.json:ro" -v sweeps:/var/lib/analog-model \
#     analog-model --basic-auth /run/users.json --allow-websocket-origin lab.example:5006
FROM python:3.11-slim

WORKDIR /opt/analog-model
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY analog_model analog_model
COPY dashboard dashboard
COPY data data
RUN pip install --no-cache-dir -c constraints.txt torch \
    && pip install --no-cache-dir -c constraints.txt ".[dashboard]" \
    && useradd --system --uid 10001 --home-dir /var/lib/analog-model --create-home analog
USER analog:analog
WORKDIR /var/lib/analog-model
ENV PYTHONUNBUFFERED=1 HOME=/var/lib/analog-model
EXPOSE 5006
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD \
    ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:5006/health', timeout=4)"]
ENTRYPOINT ["analog-model", "dashboard", "--host", "0.0.0.0", "--no-open"]
