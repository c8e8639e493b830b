"""What API and worker share: the database and the queue."""

import os

import psycopg2
import redis

QUEUE = "jobs"


def database():
    with open(os.environ["DATABASE_PASSWORD_FILE"]) as file:
        connection = psycopg2.connect(os.environ["DATABASE"], password=file.read().strip())
    connection.autocommit = True
    return connection


def queue():
    return redis.Redis(host=os.environ["CACHE"])
