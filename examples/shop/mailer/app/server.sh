#!/bin/sh
# Serves this folder; a stand-in for a real mailer service.
exec httpd -f -p 8084 -h /srv/app
