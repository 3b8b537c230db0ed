"""The peer's containers where real ones behave otherwise than fakepve's: what their storages can do."""

# fakepve ships no types: what is inherited from it is unknown to the checker.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from __future__ import annotations

from typing import Any

from tests.servers.pve_base import CT, Call, FakePve, answers

_SNAPSHOTS = ("lvmthin", "zfspool", "rbd")


class Containers(FakePve):
    """Part of the peer."""

    @answers("GET", f"{CT}/feature")
    async def feature_of_container(self, call: Call) -> dict[str, Any]:
        """Whether a feature is there: ``clone`` of base volumes only, ``copy`` of anything but ZFS snapshots."""
        ct = self._find_ct(call.node, call.vmid)
        volumes = [mount["volume"] for _, mount in ct.volumes()]
        kinds = {str(self.storages[volume.partition(":")[0]].get("type", "dir")) for volume in volumes}
        feature = call.values["feature"]
        if feature == "clone":
            has = all("base" in volume for volume in volumes)
        elif feature == "copy":
            has = not (call.values.get("snapname") and "zfspool" in kinds)
        else:
            has = kinds <= set(_SNAPSHOTS)
        return {"hasFeature": 1 if has else 0}
