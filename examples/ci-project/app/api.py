"""POST /jobs takes a text, GET /jobs/N tells what became of it, GET /health whether database and queue answer."""

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from shared import QUEUE, database, queue


class Api(BaseHTTPRequestHandler):
    def do_POST(self):
        if self.path != "/jobs":
            return self.answer(404, {"error": "no such thing"})
        text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        with database().cursor() as cursor:
            cursor.execute("INSERT INTO jobs (text) VALUES (%s) RETURNING id", (text,))
            job = cursor.fetchone()[0]
        queue().rpush(QUEUE, job)
        self.answer(202, {"id": job})

    def do_GET(self):
        if self.path == "/health":
            with database().cursor() as cursor:
                cursor.execute("SELECT 1")
            queue().ping()
            return self.answer(200, {"ok": True})
        if not self.path.startswith("/jobs/"):
            return self.answer(404, {"error": "no such thing"})
        with database().cursor() as cursor:
            cursor.execute("SELECT text, result FROM jobs WHERE id = %s", (int(self.path[6:]),))
            row = cursor.fetchone()
        if row is None:
            return self.answer(404, {"error": "no such job"})
        self.answer(200, {"text": row[0], "result": row[1]})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


print("listening on 8000")
ThreadingHTTPServer(("", 8000), Api).serve_forever()
