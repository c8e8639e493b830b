#!/bin/sh
# Serves this folder; a stand-in for a real web service.
exec httpd -f -p 8081 -h /srv/app
