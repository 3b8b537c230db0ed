"""The pretend engines as rows: containers, images, volumes and networks at a moment of the pretend clock."""

from __future__ import annotations

from app.fleet import Ref
from backends.demo.machines import noise, wave
from backends.demo.world import (
    DAY,
    MIB,
    UNUSED_IMAGE,
    UNUSED_NETWORK,
    UNUSED_VOLUME,
    PretendContainer,
    World,
)
from backends.kinds.container import Container
from backends.kinds.image import Image
from backends.kinds.network import Network
from backends.kinds.volume import Volume

TAGS = frozenset({"demo"})
UNUSED_SIZE = 7 * MIB


def container(one: PretendContainer, at: float) -> Container:
    """One container at the pretend clock ``at``."""
    template = one.template
    lives = one.state == "running"
    busy = 0.2 + 0.8 * noise(one.number, 31)
    cpu = round(wave(one.machine, at + 7 * one.number, 32, 0, template.busy * busy), 1)
    memory = int(template.memory * wave(one.machine, at / 9 + one.number, 33, 0.7, 1.1))
    limit = template.limit
    return Container(
        id=one.id,
        name=one.name,
        source=one.machine.name,
        state=one.state,
        parent=Ref("node", one.machine.name),
        tags=TAGS,
        container_id=f"{one.number + 1:04x}" * 16,
        image=template.image,
        image_id=f"sha256:{one.number + 77:04x}",
        command=template.command,
        stack=one.stack,
        service=template.service,
        health=one.health if lives and one.health in ("healthy", "unhealthy", "starting") else None,  # pyright: ignore[reportArgumentType]
        exit_code=one.exit_code,
        cpu_percent=cpu if lives else None,
        mem_used_bytes=(min(memory, int(limit * 0.99)) if limit else memory) if lives else None,
        mem_limit_bytes=limit,
        net_rx_bytes_per_s=round(wave(one.machine, at, 34 + one.number, 0, 4e5 * busy)) if lives else None,
        net_tx_bytes_per_s=round(wave(one.machine, at, 35 + one.number, 0, 2e5 * busy)) if lives else None,
        block_read_bytes_per_s=0.0 if lives else None,
        block_write_bytes_per_s=round(wave(one.machine, at, 36 + one.number, 0, 9e4 * busy)) if lives else None,
        pids=4 + one.number % 30 if lives else None,
        ports=one.ports if lives else (),
        restarts=one.restarts,
        restarts_per_hour=float(one.restarts) if one.looping else 0.0,
        looping=one.looping,
        uptime_s=(41.0 if one.looping else at - one.started_at) if lives else None,
        created_s=at - one.created_at,
        networks=(f"{one.stack}_default",) if one.stack else ("bridge",),
        volumes=(f"{one.stack}_{template.service}-data",) if template.ports and one.stack else (),
    )


def image_size(name: str) -> int:
    """Bytes of a pretend image."""
    return UNUSED_SIZE if name == UNUSED_IMAGE else (17 + sum(map(ord, name)) % 900) << 20


def images(world: World, machine: str, at: float) -> list[Image]:
    """The images of one machine."""
    made: list[Image] = []
    for number, (name, age) in enumerate(world.images.get(machine, {}).items()):
        used = tuple(one.name for one in world.of(machine) if one.template.image == name)
        ident = f"{machine}/{name}"
        made.append(
            Image(
                id=ident,
                name=name,
                source=machine,
                state="used" if used else "unused",
                parent=Ref("node", machine),
                tags=TAGS,
                image_id=f"sha256:{sum(map(ord, name)):012x}",
                size_bytes=image_size(name),
                created_s=age + at + number * DAY,
                used_by=used,
                newer=world.newer.get(ident),
            )
        )
    return made


def volumes(world: World, machine: str, at: float) -> list[Volume]:
    """The volumes of one machine."""
    used: dict[str, tuple[str | None, tuple[str, ...], float]] = {}
    for one in world.of(machine):
        if one.stack is not None and one.template.ports:
            used[f"{one.stack}_{one.template.service}-data"] = (one.stack, (one.name,), one.created_at)
    if used:
        used[UNUSED_VOLUME] = (None, (), -9 * DAY)
    return [
        Volume(
            id=f"{machine}/{name}",
            name=name,
            source=machine,
            state="used" if by else "unused",
            parent=Ref("node", machine),
            tags=TAGS,
            mountpoint=f"/var/lib/docker/volumes/{name}/_data",
            stack=stack,
            created_s=at - made_at,
            used_by=by,
        )
        for name, (stack, by, made_at) in used.items()
        if f"volume:{machine}/{name}" not in world.removed
    ]


def networks(world: World, machine: str) -> list[Network]:
    """The networks of one machine."""
    used: dict[str, list[str]] = {}
    for one in world.of(machine):
        used.setdefault(f"{one.stack}_default" if one.stack else "bridge", []).append(one.name)
    if used:
        used[UNUSED_NETWORK] = []
    return [
        Network(
            id=f"{machine}/{name}",
            name=name,
            source=machine,
            state="used" if by else "unused",
            parent=Ref("node", machine),
            tags=TAGS,
            network_id=f"{number + 5:02x}" * 32,
            subnets=(f"172.{18 + number}.0.0/16",),
            stack=name.removesuffix("_default") if name != "bridge" else None,
            used_by=tuple(by),
        )
        for number, (name, by) in enumerate(used.items())
        if f"network:{machine}/{name}" not in world.removed
    ]
