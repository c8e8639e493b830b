#!/bin/sh
# Serves this folder; a stand-in for a real reports service.
exec httpd -f -p 8085 -h /srv/app
