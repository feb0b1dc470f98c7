"""Step 6: the normals of points on a surface, first their lines, then which way along them is out.

Lines: the direction in which the nearest points spread least. Sides: Hoppe et al. (SIGGRAPH 1992), from neighbour to
neighbour along a minimum spanning tree that prefers parallel normals. Own code, since Open3D (0.9 GB) and PyMeshLab
(GPL) are no dependencies for an extension.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree
from scipy.spatial import cKDTree

from LesionLensLib.explain.surface.point_cloud import Points

NEIGHBOURS = 16
# Share of the way to the centroid along the normals above which a part surely looks inwards: a flat sheet has 0.
SURELY = 0.1
Indices = NDArray[np.intp]


def oriented_normals(points: Points, neighbours: int = NEIGHBOURS) -> Points:
    """Return unit normals (N, 3) of points (N, 3) on closed surfaces, outwards on every connected part.

    Raises `ValueError` for fewer points than neighbours and one.
    """
    nearest = nearest_points(points, neighbours)
    return orient(points, normal_lines(points, nearest), nearest)


def nearest_points(points: Points, neighbours: int = NEIGHBOURS) -> Indices:
    """Return the numbers (N, neighbours) of the points nearest to each point (N, 3), not counting itself."""
    if len(points) <= neighbours:
        raise ValueError(f"{len(points)} points have no {neighbours} neighbours each")
    found: Indices = cKDTree(points).query(points, k=neighbours + 1, workers=-1)[1]
    return found[:, 1:]


def normal_lines(points: Points, nearest: Indices) -> Points:
    """Return unit vectors (N, 3), of either sign, along which each point and its nearest (N, k) spread least."""
    cloud = np.concatenate([points[:, None], points[nearest]], axis=1)
    cloud -= cloud.mean(1, keepdims=True)
    scatter = cloud.transpose(0, 2, 1) @ cloud
    lines: Points = np.linalg.eigh(scatter)[1][:, :, 0]
    return lines


def orient(points: Points, normals: Points, nearest: Indices) -> Points:
    """Return `normals` (N, 3), each turned so that neighbours agree and every connected part looks outwards.

    The sign each normal comes with does not matter. The highest point of a part looks upwards, as it does on every
    closed surface; a part whose normals then clearly point to its centroid, such as an open bowl, is turned over.
    """
    tree = _spanning_tree(normals, nearest)
    _, part = connected_components(tree, directed=False)
    turned = normals * _signs_along(tree, normals, _highest_of_each(points, part))[:, None]
    centroids = np.stack([np.bincount(part, axis) for axis in points.T], axis=-1) / np.bincount(part)[:, None]
    arms = points - centroids[part]
    outward = np.bincount(part, np.einsum("ij,ij->i", turned, arms))
    inside_out = outward < -SURELY * np.bincount(part, np.linalg.norm(arms, axis=1))
    result: Points = np.where(inside_out[part], -1.0, 1.0)[:, None] * turned
    return result


def _spanning_tree(normals: Points, nearest: Indices) -> csr_array:
    """Return the tree (N, N) over neighbours along which normals turn least; a tree for each connected part."""
    count, k = nearest.shape
    rows, columns = np.repeat(np.arange(count), k), nearest.ravel()
    cosine = np.abs(np.einsum("nkc,nc->nk", normals[nearest], normals)).ravel()
    # An edge of weight 0 is none to scipy, and rounding may take the cosine above 1.
    weights = np.maximum(1 - cosine, 0) + 1e-6
    return csr_array(minimum_spanning_tree(coo_array((weights, (rows, columns)), shape=(count, count)).tocsr()))


def _highest_of_each(points: Points, part: NDArray[np.int32]) -> Indices:
    """Return the number of the highest point of every part: the root whose normal is set upwards."""
    order = np.lexsort((-points[:, 2], part))
    first: Indices = order[np.r_[True, np.diff(part[order]) > 0]]
    return first


def _signs_along(tree: csr_array, normals: Points, roots: Indices) -> NDArray[np.float64]:
    """Return the sign (N,) of each normal that makes it agree with the one before it on the way from its root."""
    count = len(normals)
    links = tree.tocoo()
    # One more node, tied to every root, so that a single search reaches all parts.
    rows, columns = np.r_[links.row, np.full(len(roots), count)], np.r_[links.col, roots]
    joined = coo_array((np.ones(len(rows)), (rows, columns)), shape=(count + 1, count + 1)).tocsr()
    _, before = breadth_first_order(joined, count, directed=False)
    parent = before[:count].astype(np.intp)
    is_root = parent == count
    parent[is_root] = np.flatnonzero(is_root)
    agreement = np.where(is_root, normals[:, 2], np.einsum("ij,ij->i", normals, normals[parent]))
    signs = np.where(agreement < 0, -1.0, 1.0)
    return _product_to_root(signs, parent)


def _product_to_root(signs: NDArray[np.float64], parent: Indices) -> NDArray[np.float64]:
    """Multiply the signs (N,) on the way from each node to its root, doubling the step at every turn."""
    roots = parent == np.arange(len(parent))
    own = np.where(roots, signs, 1.0)
    product, ahead = np.where(roots, 1.0, signs), parent
    while not roots[ahead].all():
        product, ahead = product * product[ahead], ahead[ahead]
    result: NDArray[np.float64] = product * own[ahead]
    return result
