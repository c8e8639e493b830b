#!/bin/sh
# Serves this folder; a stand-in for a real api service.
exec httpd -f -p 8082 -h /srv/app
