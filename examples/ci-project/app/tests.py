"""The whole path: a job goes in by the API, and its result comes out of the database."""

import hashlib
import json
import os
import time
import unittest
import urllib.error
import urllib.request

API = os.environ["API"]


def call(path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(API + path, data=data), timeout=5) as response:
        return response.status, json.load(response)


class Jobs(unittest.TestCase):
    def test_health(self):
        self.assertEqual(call("/health"), (200, {"ok": True}))

    def test_jobs_are_done(self):
        texts = [f"text {number}" for number in range(10)]
        jobs = [call("/jobs", {"text": text})[1]["id"] for text in texts]
        for text, job in zip(texts, jobs):
            for _ in range(100):
                result = call(f"/jobs/{job}")[1]["result"]
                if result is not None:
                    break
                time.sleep(0.05)
            self.assertEqual(result, hashlib.sha256(text.encode()).hexdigest())

    def test_what_is_not_there(self):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            call("/jobs/999999")
        self.assertEqual(caught.exception.code, 404)
