#!/bin/sh
cat /app/greeting.txt
echo "$(cat /app/count.txt) words, from $(head -n 1 /app/sorted.txt) to $(tail -n 1 /app/sorted.txt)"
