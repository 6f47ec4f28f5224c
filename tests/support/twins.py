"""Each method's loss written from its formula, image by image and pair by pair, as slow as it is plain."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from transhash.losses import HashLoss


def assert_equals_twin(
    loss: Callable[[torch.Tensor], torch.Tensor], twin: Callable[[torch.Tensor], torch.Tensor], h: torch.Tensor
) -> None:
    """A loss of relaxed codes has the value and the gradient of its twin in float64, in both precisions."""
    theirs = h.double().requires_grad_()
    expected = twin(theirs)
    (gradient,) = torch.autograd.grad(expected, theirs)
    for dtype, tolerance in ((torch.float64, 1e-6), (torch.float32, 1e-4)):  # balancing weights are float32 in both
        ours = h.detach().to(dtype, copy=True).requires_grad_()
        value = loss(ours)
        (found,) = torch.autograd.grad(value, ours)
        assert value.dtype == dtype
        torch.testing.assert_close(value.double(), expected, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(found.double(), gradient, rtol=tolerance, atol=tolerance)


def similar(labels: torch.Tensor, i: int, j: int) -> bool:
    if labels.ndim == 1:
        return int(labels[i]) == int(labels[j])
    return any(a and b for a, b in zip(labels[i].tolist(), labels[j].tolist(), strict=True))


def pairs(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(n) if i != j]


def negative_log_sigmoid(theta: torch.Tensor, s: float) -> torch.Tensor:
    p = 1 / (1 + torch.exp(-theta))
    return -(s * torch.log(p) + (1 - s) * torch.log(1 - p))


def weight(labels: torch.Tensor, i: int, j: int) -> float:
    """|S|/|S1| or |S|/|S0|."""
    alike = [similar(labels, a, b) for a, b in pairs(len(labels))]
    return len(alike) / alike.count(similar(labels, i, j))


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum() / (a.square().sum().sqrt() * b.square().sum().sqrt())


def targets_of(loss: HashLoss, name: str) -> torch.Tensor:
    return dict(loss.named_buffers())[name].double()


def classes_of(label: torch.Tensor) -> list[int]:
    return [int(label)] if label.ndim == 0 else label.nonzero()[:, 0].tolist()


def dsh(
    loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, margin: float = 2, quantization: float = 0.01
) -> torch.Tensor:
    total = torch.zeros(())
    for i, j in pairs(len(h)):
        distance = ((h[i] - h[j]) ** 2).sum()
        y = 0 if similar(labels, i, j) else 1
        total = total + 0.5 * (1 - y) * distance + 0.5 * y * torch.relu(margin * h.shape[1] - distance)
        total = total + quantization * ((abs(h[i]) - 1).abs().sum() + (abs(h[j]) - 1).abs().sum())
    return total / len(pairs(len(h)))


def dpsh(loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, quantization: float = 50) -> torch.Tensor:
    # in the first batch the remembered images are those of the batch, held constant
    memory = h.detach()
    likelihood = torch.stack(
        [negative_log_sigmoid(0.5 * (h[i] * memory[j]).sum(), similar(labels, i, j)) for i, j in pairs(len(h))]
    ).sum()
    from_binary = torch.stack([((h[i] - torch.sign(h[i])) ** 2).sum() for i in range(len(h))]).sum()
    return likelihood / len(pairs(len(h))) + quantization / loss.task.images * from_binary / len(h)


def dhn(loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, quantization: float = 0.1) -> torch.Tensor:
    z = torch.tanh(h)
    likelihood = torch.stack(
        [negative_log_sigmoid((z[i] * z[j]).sum(), similar(labels, i, j)) for i, j in pairs(len(h))]
    ).sum()
    rough = torch.stack([torch.log(torch.cosh(abs(z[i]) - 1)).mean() for i in range(len(h))]).sum()
    return likelihood / len(pairs(len(h))) + quantization * rough / len(h)


def hashnet(
    loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, alpha: float = 10, growth: float = 50, stages: int = 10
) -> torch.Tensor:
    beta = math.sqrt(1 + growth * math.floor(loss.progress * stages) / stages)
    g = torch.tanh(beta * h)
    total = torch.zeros(())
    for i, j in pairs(len(h)):
        c = 1.0
        if labels.ndim == 2 and similar(labels, i, j):
            one, two = set(classes_of(labels[i])), set(classes_of(labels[j]))
            c = len(one & two) / len(one | two)
        theta = alpha / h.shape[1] * (g[i] * g[j]).sum()
        total = total + c * weight(labels, i, j) * negative_log_sigmoid(theta, similar(labels, i, j))
    return total / len(pairs(len(h)))


def dch(
    loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, gamma: float = 20, quantization: float = 0.1
) -> torch.Tensor:
    z, bits = torch.tanh(h), h.shape[1]
    total, prior = torch.zeros(()), torch.zeros(())
    for i, j in pairs(len(h)):
        d = bits / 2 * (1 - cosine(z[i], z[j]))
        p = gamma / (gamma + d)
        total = total - weight(labels, i, j) * torch.log(p if similar(labels, i, j) else 1 - p)
    for i in range(len(h)):
        prior = prior + torch.log(1 + bits / 2 * (1 - cosine(abs(z[i]), torch.ones_like(z[i]))) / gamma)
    return total / len(pairs(len(h))) + quantization * prior / len(h)


def idhn(
    loss: HashLoss,
    h: torch.Tensor,
    labels: torch.Tensor,
    *,
    alpha: float = 5,
    gamma: float = 0.1,
    quantization: float = 0.1,
) -> torch.Tensor:
    u, bits = h / (1 + abs(h)), h.shape[1]
    total = torch.zeros(())
    for i, j in pairs(len(h)):
        one, two = set(classes_of(labels[i])), set(classes_of(labels[j]))
        s = len(one & two) / math.sqrt(len(one) * len(two)) if one and two else 0.0
        inner = (u[i] * u[j]).sum()
        if s < 0.01 or s > 0.99:
            total = total + negative_log_sigmoid(alpha * inner / bits, round(s))
        else:
            total = total + gamma * bits * ((inner + bits) / (2 * bits) - s) ** 2
    rough = torch.stack([(abs(u[i]) - 1).abs().mean() for i in range(len(h))]).sum()
    return total / len(pairs(len(h))) + quantization * rough / len(h)


def greedyhash(loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, quantization: float = 0.1) -> torch.Tensor:
    # the gradient of the cross-entropy at the sign is that at h: a surrogate that is linear in h has it
    classifier = dict(loss.named_parameters())["classifier"].detach().double()
    total = torch.zeros(())
    for i in range(len(h)):
        code = torch.sign(h[i].detach()).requires_grad_()
        scores = torch.exp(classifier @ code)
        entropy = -torch.log(scores[labels[i]] / scores.sum())
        (slope,) = torch.autograd.grad(entropy, code)
        total = total + entropy.detach() + (slope * (h[i] - h[i].detach())).sum()
        total = total + quantization * (abs(abs(h[i]) - 1) ** 3).mean()
    return total / len(h)


def dpn(loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, margin: float = 1) -> torch.Tensor:
    targets, total = targets_of(loss, "targets"), torch.zeros(())
    for i in range(len(h)):
        for c in classes_of(labels[i]):
            for k in range(h.shape[1]):
                total = total + torch.relu(margin - h[i, k] * targets[c, k])
    return total / len(h)


def csq(
    loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, quantization: float = 0.0001, centres: str = "hadamard"
) -> torch.Tensor:
    given, ties, total = targets_of(loss, "centres"), targets_of(loss, "ties"), torch.zeros(())
    for i in range(len(h)):
        for k in range(h.shape[1]):
            votes = sum(float(given[c, k]) for c in classes_of(labels[i]))
            target = (1 if votes > 0 else 0) if votes else (float(ties[k]) + 1) / 2
            p = (torch.tanh(h[i, k]) + 1) / 2
            total = total - (target * torch.log(p) + (1 - target) * torch.log(1 - p))
            total = total + quantization * torch.log(torch.cosh(abs(2 * p - 1) - 1))
    return total / h.numel()


def orthohash(
    loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, scale: float = 8, margin: float = 0.2
) -> torch.Tensor:
    targets, total = targets_of(loss, "targets"), torch.zeros(())
    for i in range(len(h)):
        mine = classes_of(labels[i])
        scores = [
            torch.exp(scale * (cosine(h[i], target) - (margin if c in mine else 0))) for c, target in enumerate(targets)
        ]
        for c in mine:
            total = total - torch.log(scores[c] / torch.stack(scores).sum()) / len(mine)
    return total / len(h)


def hyp2(loss: HashLoss, h: torch.Tensor, labels: torch.Tensor, *, beta: float = 0.5) -> torch.Tensor:
    proxies = dict(loss.named_parameters())["proxies"].detach()
    bits, classes = h.shape[1], len(proxies)
    k = next(k for k in range(1, 99) if 2**k >= classes)
    distance = 0
    while sum(math.ceil((distance + 1) / 2**i) for i in range(k)) <= bits:
        distance += 1
    threshold = 1 - 2 * distance / bits
    own: list[torch.Tensor] = []
    others: list[torch.Tensor] = []
    irrelevant: list[torch.Tensor] = []
    for i in range(len(h)):
        mine = classes_of(labels[i])
        for c in range(classes):
            similar = cosine(h[i], proxies[c])
            (own if c in mine else others).append(1 - similar if c in mine else torch.relu(similar - threshold))
        for j in range(len(h)):
            theirs = classes_of(labels[j])
            if len(mine) > 1 and len(theirs) > 1 and not {*mine} & {*theirs}:
                irrelevant.append(beta * torch.relu(cosine(h[i], h[j]) - threshold))
    return sum((torch.stack(terms).mean() for terms in (own, others, irrelevant) if terms), torch.zeros(()))


def crovca(
    loss: HashLoss,
    h: torch.Tensor,
    given: torch.Tensor,
    *,
    coding_rate: float = 0.1,
    epsilon: float = 0.05,
    labels: bool = True,
) -> torch.Tensor:
    n, bits = h.shape
    if not labels:
        one, other, total = h[: n // 2], h[n // 2 :], torch.zeros(())
        for i in range(n // 2):
            for k in range(bits):
                for mine, theirs in ((one[i, k], other[i, k]), (other[i, k], one[i, k])):
                    p = 1 / (1 + torch.exp(-mine))
                    total = total - torch.log(p if float(theirs.detach()) > 0 else 1 - p)
        return total / n / bits - coding_rate * (rate(one, epsilon) + rate(other, epsilon)) / 2
    classes = [classes_of(label) for label in given]
    total, known = torch.zeros(()), [i for i in range(n) if classes[i]]
    for i in known:
        for k in range(bits):
            means = [[float(h[j, k].detach()) for j in range(n) if c in classes[j]] for c in classes[i]]
            p = 1 / (1 + torch.exp(-h[i, k]))
            total = total - torch.log(p if sum(sum(mean) / len(mean) for mean in means) > 0 else 1 - p)
    return total / max(len(known), 1) / bits - coding_rate * rate(h, epsilon)


def dhd(
    loss: HashLoss,
    h: torch.Tensor,
    labels: torch.Tensor,
    *,
    temperature: float = 0.2,
    distillation: float = 0.1,
    quantization: float = 0.1,
    second: int = 0,
) -> torch.Tensor:
    """`second`: how many of the last codes are second views of the first images."""
    proxies = dict(loss.named_parameters())["proxies"].detach()
    images = len(h) - second
    total, bits = torch.zeros(()), h.shape[1]
    for i in range(images):
        scores = [torch.exp(cosine(torch.tanh(h[i]), proxy) / temperature) for proxy in proxies]
        mine = classes_of(labels[i])
        for c in mine:
            total = total - torch.log(scores[c] / torch.stack(scores).sum()) / len(mine) / images
        for value in torch.tanh(h[i]):
            near, far = (torch.exp(-((value - mean) ** 2) / 2 / 0.5**2) for mean in (1, -1))
            own, other = (near, far) if float(value.detach()) > 0 else (far, near)
            total = total - quantization * (torch.log(own) + torch.log(1 - other)) / bits / images
    for i in range(second):
        alike = cosine(torch.tanh(h[images + i]), torch.tanh(h[i].detach()))
        total = total + distillation * (1 - alike) / second
    return total


def rate(h: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The coding rate, by the eigenvalues of the outer products' sum."""
    n, bits = h.shape
    products = torch.zeros(bits, bits, dtype=h.dtype)
    for code in h:
        products = products + torch.outer(code, code) / code.square().sum()
    values = torch.linalg.eigvalsh(products)
    return torch.log(1 + bits / (n * epsilon) * values).sum() / 2 * (bits + n) / (bits * n)


TWINS = {
    "dsh": dsh,
    "dpsh": dpsh,
    "dhn": dhn,
    "hashnet": hashnet,
    "dch": dch,
    "idhn": idhn,
    "greedyhash": greedyhash,
    "dpn": dpn,
    "csq": csq,
    "orthohash": orthohash,
    "hyp2": hyp2,
    "crovca": crovca,
    "dhd": dhd,
}
