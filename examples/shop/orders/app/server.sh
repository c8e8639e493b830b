#!/bin/sh
# Serves this folder; a stand-in for a real orders service.
exec httpd -f -p 8083 -h /srv/app
