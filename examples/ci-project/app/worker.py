"""Takes jobs from the queue and writes what it makes of them into the database."""

import hashlib

from shared import QUEUE, database, queue

connection = database()
print("waiting for jobs")
while True:
    _, job = queue().blpop(QUEUE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT text FROM jobs WHERE id = %s", (int(job),))
        text = cursor.fetchone()[0]
        result = hashlib.sha256(text.encode()).hexdigest()
        cursor.execute("UPDATE jobs SET result = %s WHERE id = %s", (result, int(job)))
    print(f"job {int(job)} done", flush=True)
