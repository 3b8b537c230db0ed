"""The definition a project has when it brings none: PostgreSQL 15, Redis 7, a Python backend and a Node frontend.

The project's folder is mounted at ``/project``. The backend works in ``backend/`` and the frontend in ``frontend/``
where there are such folders, else in the project's own. What they need is installed at each start from the folder's
own files; downloads are kept in volumes. Both run ``start.sh`` of their folder where there is one.
"""

from __future__ import annotations

from backends.projects.definition import Definition, Health, Mount, Service

_REDIS = """\
exec docker-entrypoint.sh redis-server - <<END
requirepass $(cat /run/secrets/redis_password)
dir /data
appendonly yes
END
"""
# By standard input: an argument could be read by everybody who may list processes.

_BACKEND = """\
cd backend 2>/dev/null || :
if [ -f requirements.txt ]; then pip install --root-user-action=ignore -q -r requirements.txt || exit 1
elif [ -f pyproject.toml ]; then pip install --root-user-action=ignore -q -e . || exit 1
fi
[ ! -f start.sh ] || exec sh start.sh
[ ! -f manage.py ] || exec python manage.py runserver 0.0.0.0:8000
for module in app.main main app; do
  file=$(echo "$module" | tr . /).py
  [ ! -f "$file" ] || exec python -m uvicorn --host 0.0.0.0 --port 8000 --reload "$module:app"
done
echo "nothing to run in $PWD: there is no start.sh, manage.py, app/main.py, main.py or app.py" >&2
exit 1
"""

_FRONTEND = """\
cd frontend 2>/dev/null || :
if [ -f package-lock.json ]; then npm ci --no-fund --no-audit || exit 1
elif [ -f package.json ]; then npm install --no-fund --no-audit || exit 1
fi
# What was installed belongs to whoever owns the folder, not to root.
chown -R "$(stat -c %u:%g .)" node_modules package-lock.json 2>/dev/null
[ ! -f start.sh ] || exec sh start.sh
[ -f package.json ] || { echo "nothing to run in $PWD: there is no start.sh or package.json" >&2; exit 1; }
for script in dev start; do
  if node -e "process.exit(require('./package.json').scripts?.$script ? 0 : 1)"; then exec npm run "$script"; fi
done
echo "nothing to run: package.json has neither a script 'dev' nor 'start'" >&2
exit 1
"""

_GET_HEALTH = (
    "python",
    "-c",
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=9).read()",
)

DEFAULT = Definition(
    services={
        "postgres": Service(
            image="postgres:15-alpine",
            ports=(5432,),
            env={
                "POSTGRES_DB": "app",
                "POSTGRES_USER": "app",
                "POSTGRES_PASSWORD_FILE": "/run/secrets/postgres_password",
            },
            secrets=("postgres_password",),
            volumes={"data": "/var/lib/postgresql/data"},
            health=Health(test="pg_isready -q -U app -d app", interval=30, timeout=5, start_period=60, slow_ms=500),
            cpus=1.0,
            memory_mb=2048,
            stop_timeout=30,
        ),
        "redis": Service(
            image="redis:7-alpine",
            ports=(6379,),
            command=_REDIS,
            secrets=("redis_password",),
            volumes={"data": "/data"},
            health=Health(
                test='REDISCLI_AUTH="$(cat /run/secrets/redis_password)" redis-cli PING | grep -q PONG',
                interval=30,
                timeout=5,
                start_period=30,
                slow_ms=100,
            ),
            cpus=0.5,
            memory_mb=512,
        ),
        "backend": Service(
            image="python:3.11-slim",
            ports=(8000,),
            listen="0.0.0.0",  # noqa: S104 - it is there to be reached
            command=_BACKEND,
            workdir="/project",
            env={
                "DATABASE_URL": "postgresql://app:${secret:postgres_password}@postgres:5432/app",
                "REDIS_URL": "redis://:${secret:redis_password}@redis:6379/0",
                "FRONTEND_URL": "http://${host}:${port:frontend}",
                "PORT": "8000",
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            secrets=("postgres_password", "redis_password"),
            volumes={"pip": "/root/.cache/pip"},
            mounts=(Mount(target="/project"),),
            health=Health(test=_GET_HEALTH, interval=15, timeout=10, start_period=300, slow_ms=1000),
            depends_on=("postgres", "redis"),
            cpus=1.0,
            memory_mb=1024,
        ),
        "frontend": Service(
            image="node:18-alpine",
            ports=(3000,),
            listen="0.0.0.0",  # noqa: S104 - it is there to be reached
            command=_FRONTEND,
            workdir="/project",
            # Read by a browser, which knows the node's address and none of the project's names.
            env={
                "API_URL": "http://${host}:${port:backend}",
                "VITE_API_URL": "http://${host}:${port:backend}",
                "NEXT_PUBLIC_API_URL": "http://${host}:${port:backend}",
                "HOST": "0.0.0.0",  # noqa: S104 - inside the container
                "PORT": "3000",
            },
            volumes={"npm": "/root/.npm"},
            mounts=(Mount(target="/project"),),
            health=Health(
                test=("wget", "-q", "-T", "9", "-O", "/dev/null", "http://127.0.0.1:3000/"),
                interval=30,
                timeout=10,
                start_period=300,
                slow_ms=2000,
            ),
            depends_on=("backend",),
            cpus=0.5,
            memory_mb=512,
        ),
    }
)
"""Limits, intervals and thresholds are those of the hub it takes the place of."""
