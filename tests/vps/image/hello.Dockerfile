# Somebody else's image: a page on port 8080.
ARG PYTHON
FROM ${PYTHON}
RUN mkdir /site && echo hello >/site/index.html
EXPOSE 8080
# Python as process 1 does not hear SIGTERM.
STOPSIGNAL SIGINT
CMD ["python3", "-m", "http.server", "--directory", "/site", "8080"]
