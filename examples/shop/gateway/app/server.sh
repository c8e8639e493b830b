#!/bin/sh
# Serves this folder; a stand-in for a real gateway service.
exec httpd -f -p 8080 -h /srv/app
