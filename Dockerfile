# The book at scale smoke, and JupyterLab at its start page. Binder builds this file too.
#   docker build -t semshare .                          --build-arg BOOK="" builds the book at scale laptop
#   docker run --rm -p 8888:8888 semshare               JupyterLab, at the address that it prints
#   docker run --rm -p 8888:8888 semshare python -m http.server --directory _build/html 8888          the book
FROM python:3.11.13-slim-bookworm

# A release of Debian holds one version of each package, and security updates replace it.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*

# Binder names and numbers the user; both are what it expects by default.
ARG NB_USER=jovyan
ARG NB_UID=1000
ENV USER=${NB_USER} HOME=/home/${NB_USER} NB_UID=${NB_UID}
RUN useradd --create-home --uid "${NB_UID}" "${NB_USER}"
WORKDIR ${HOME}/semshare
RUN chown "${NB_UID}" .
USER ${NB_UID}

# What the environment is made from comes first: an edit of the code installs nothing anew.
COPY --chown=${NB_UID} Makefile pyproject.toml requirements.lock README.md LICENSE ./
COPY --chown=${NB_UID} semshare/__init__.py semshare/
RUN make venv

COPY --chown=${NB_UID} . .
ARG BOOK="--scale smoke"
RUN make book BOOK="${BOOK}"

ENV PATH=${HOME}/semshare/.venv/bin:${PATH}
EXPOSE 8888
CMD ["make", "lab", "LAB=--ip=0.0.0.0 --port=8888 --no-browser"]
