"""CMAformer, the whole network in one file, to be read beside the paper.

"Lagrange Duality and Compound Multi-Attention Transformer for Semi-Supervised Medical Image Segmentation",
section III A and B, figures 1 and 2. Maps are (B, C, H, W); tokens are (B, N, C) with N = H*W in row-major order.

    stem ─ CMA1 ─ CMA2 ─ CMA3 ─ T-enc ─ bridge ─ T-dec        stride of each: 1, 4, 16, 32, 32, 32, 32
      │      │      │      └─────────────── X3 (cross-attention, up x2)
      │      │      └───────────────────── X2 (cross-attention, up x4)
      │      └─────────────────────────── X1 (cross-attention, up x4)
      └───────────────────────────────── heads: logits, signed distance maps

That is the layout "compact". The layout "pyramid" has a CMA stage for each factor of 2 (strides 1, 2, 4, 8, 16, 32).
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Total stride of the encoder; inputs are padded to a multiple of it.
STRIDE = 32
LAYOUTS = ("compact", "pyramid")
NORMS = ("group", "batch")


@dataclass(frozen=True)
class NetworkConfig:
    """What a CMAformer is made of; stored in ``model.json`` so that a model folder describes itself.

    Attributes:
        in_channels: input channels (one slice, neighboring slices, or several MR sequences).
        classes: output classes, background included.
        layout: "compact", the paper's three CMA stages, or "pyramid", five of them, one for each factor of 2.
        widths: channels of stem, embedding 1, stage 1, embedding 2, stage 2, and stage 3 (the bottleneck); of stem and
            stages 1 to 5 in a pyramid.
        norm: "group", or "batch", which learns faster from batches of many slices; then embeddings have it, too (and
            a ReLU) instead of LayerNorm. Its statistics are those of the patches that a process has at a time.
        gated: add what the transformer finds with a gain per channel that starts at zero: a network with attention
            starts as the one without it.
        heads: attention heads; must divide the bottleneck width.
        depth: transformer blocks in the encoder, and again in the decoder.
        pooled: side of the square to which keys and values of the cross-attention are pooled.
        bottleneck_stride: 32, or 16 for small images, where stride 32 leaves a handful of tokens.
        position: add the 2D position of each patch to its token.
        channel_attention: squeeze-and-excitation in the CMA stages.
        transformer: the transformer encoder and decoder.
        spatial_attention: the dilated bridge between them.
        cross_attention: QKV cross-attention before each skip connection.
        cross_head_width: smallest width of a head of the cross-attention; 0 has as many heads there as the transformer.
            Narrow maps with many heads cost the most: their scores are one large matrix a head.
        cross_sources: "stage" reads keys from the stage of the skip, "all" from every stage.
        qk_norm: normalize queries and keys of the transformer blocks per head.
        deep_supervision: logits at strides 4 and 16 as well.
    """

    in_channels: int = 1
    classes: int = 2
    widths: tuple[int, int, int, int, int, int] = (16, 32, 64, 128, 256, 512)
    layout: str = "compact"
    norm: str = "group"
    gated: bool = False
    heads: int = 8
    depth: int = 3
    pooled: int = 16
    bottleneck_stride: int = 32
    position: bool = True
    channel_attention: bool = True
    transformer: bool = True
    spatial_attention: bool = True
    cross_attention: bool = True
    cross_head_width: int = 0
    cross_sources: str = "stage"
    qk_norm: bool = False
    deep_supervision: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(int(w) for w in self.widths))
        if len(self.widths) != 6 or min(self.widths) < 1:
            raise ValueError(f"widths needs six positive numbers (stem, e1, s1, e2, s2, s3), not {self.widths}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout must be one of {', '.join(LAYOUTS)}, not {self.layout!r}")
        if self.norm not in NORMS:
            raise ValueError(f"norm must be one of {', '.join(NORMS)}, not {self.norm!r}")
        if self.in_channels < 1:
            raise ValueError(f"in_channels must be at least 1, not {self.in_channels}")
        if self.classes < 2:
            raise ValueError(f"classes counts the background and must be at least 2, not {self.classes}")
        if self.widths[5] % self.heads:
            raise ValueError(f"heads must divide the bottleneck width {self.widths[5]}, and {self.heads} does not")
        if self.bottleneck_stride not in (16, 32):
            raise ValueError(f"bottleneck_stride must be 16 or 32, not {self.bottleneck_stride}")
        if self.cross_head_width < 0:
            raise ValueError(f"cross_head_width must not be negative, not {self.cross_head_width}")
        if self.cross_sources not in ("stage", "all"):
            raise ValueError(f"cross_sources must be 'stage' or 'all', not {self.cross_sources!r}")

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain JSON types."""
        values = asdict(self)
        values["widths"] = list(self.widths)
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkConfig:
        """The configuration back from :meth:`to_dict`.

        Raises:
            ValueError: an entry is unknown or has an impossible value.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise ValueError(f"unknown network settings: {', '.join(unknown)}")
        return cls(**values)


WIDTHS = {
    "large": (16, 32, 64, 128, 256, 512),
    "base": (16, 24, 48, 96, 160, 256),
    "small": (8, 16, 40, 80, 128, 160),
}
PYRAMID_WIDTHS = {
    "large": (32, 64, 128, 192, 256, 512),
    "base": (24, 48, 96, 144, 192, 256),
    "small": (16, 32, 64, 96, 120, 160),
}
# Of new networks. With 8 heads of 5 channels at stride 4, `small` spent a third of its training on these scores.
CROSS_HEAD_WIDTH = 32


def configuration(name: str, *, in_channels: int = 1, classes: int = 2, **overrides: Any) -> NetworkConfig:
    """A named configuration: ``large`` (the authors' widths), ``base`` (half) or ``small`` (the one that ships).

    Raises:
        ValueError: the name is unknown.
    """
    if name not in WIDTHS:
        raise ValueError(f"unknown configuration {name!r}; choose one of {', '.join(WIDTHS)}")
    named: dict[str, Any] = {"widths": WIDTHS[name], "cross_head_width": CROSS_HEAD_WIDTH}
    if overrides.get("layout") == "pyramid":
        named.update(widths=PYRAMID_WIDTHS[name], depth=2)
    return NetworkConfig(**{"in_channels": in_channels, "classes": classes, **named, **overrides})


class Prediction(NamedTuple):
    """What the network returns.

    Attributes:
        logits: (B, classes, H, W), before the softmax.
        sdm: (B, classes - 1, H, W), signed distance maps of the foreground classes in [-1, 1], negative inside.
        deep: logits at strides 4 and 16 of the padded input, finest first; empty without deep supervision.
    """

    logits: Tensor
    sdm: Tensor
    deep: tuple[Tensor, ...]


# --- helpers ---------------------------------------------------------------------------------------------------------


def to_tokens(maps: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H*W, C)."""
    return maps.flatten(2).transpose(1, 2)


def to_maps(tokens: Tensor, height: int, width: int) -> Tensor:
    """(B, H*W, C) -> (B, C, H, W); a transpose, not a view, so that every pixel keeps its place."""
    return tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], height, width)


def group_norm(channels: int) -> nn.GroupNorm:
    """Group normalization: unlike batch normalization, a slice's output does not depend on its batch-mates."""
    return nn.GroupNorm(math.gcd(8, channels), channels)


def normalization(kind: str, channels: int) -> nn.Module:
    """The layer for a kind of :data:`NORMS`. With "batch" a slice is independent of its batch-mates once trained."""
    return group_norm(channels) if kind == "group" else BatchNorm(channels)


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that uses what it knows where a batch is a single value per channel, which has no spread."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps)
        return super().forward(x)


def conv3(inputs: int, outputs: int, stride: int = 1, dilation: int = 1, bias: bool = False) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size (divided by the stride)."""
    return nn.Conv2d(inputs, outputs, 3, stride, padding=dilation, dilation=dilation, bias=bias)


# --- residual and channel attention (section III A, figure 2) --------------------------------------------------------


class ResidualBlock(nn.Module):
    """norm(conv3) - ReLU - norm(conv3), plus a 1x1 skip, then ReLU: (B, C, H, W) -> (B, C', H/s, W/s)."""

    def __init__(self, inputs: int, outputs: int, norm: str, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3(inputs, outputs, stride)
        self.norm1 = normalization(norm, outputs)
        self.conv2 = conv3(outputs, outputs)
        self.norm2 = normalization(norm, outputs)
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else nn.Conv2d(inputs, outputs, 1, bias=False)
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        # The stride is taken here and not by the 1x1 convolution: the float32 gradient of one with a stride and 8
        # channels writes beyond its memory on processors with AVX-512 (PyTorch 2.13, oneDNN's jit_1x1).
        return F.relu(self.norm2(self.conv2(y)) + self.skip(x[..., :: self.stride, :: self.stride]))


class Stem(nn.Module):
    """conv3 - norm - ReLU - conv3, plus a 1x1 skip, at full resolution."""

    def __init__(self, inputs: int, outputs: int, norm: str) -> None:
        super().__init__()
        self.conv1 = conv3(inputs, outputs)
        self.norm = normalization(norm, outputs)
        self.conv2 = conv3(outputs, outputs, bias=True)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(F.relu(self.norm(self.conv1(x)))) + self.skip(x)


class PatchEmbedding(nn.Module):
    """Patches to tokens with their 2D position: conv3 with a stride, plus a linear map of (y, x), then LayerNorm.

    With batch normalization that and a ReLU come instead: LayerNorm takes from each pixel how bright it is. The linear
    map starts at zero, so an untrained network is as blind to position as a plain ResUNet.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, config: NetworkConfig) -> None:
        super().__init__()
        self.conv = conv3(inputs, outputs, stride, bias=True)
        self.position = nn.Linear(2, outputs) if config.position else None
        if self.position is not None:
            nn.init.zeros_(self.position.weight)
            nn.init.zeros_(self.position.bias)
        self.batch = config.norm == "batch"
        self.norm = BatchNorm(outputs) if self.batch else nn.LayerNorm(outputs)

    def forward(self, x: Tensor, frame: Tensor) -> Tensor:
        x = self.conv(x)
        height, width = x.shape[2:]
        tokens = to_tokens(x)
        if self.position is not None:
            tokens = tokens + self.position(patch_centres(frame, height, width)).to(tokens.dtype)
        if self.batch:
            return F.relu(self.norm(to_maps(tokens, height, width)))
        return to_maps(self.norm(tokens), height, width)


def patch_centres(frame: Tensor, height: int, width: int) -> Tensor:
    """Centers (y, x) of a grid of patches: frame (B, 4) = top, left, bottom, right -> (B, height*width, 2)."""
    y = (torch.arange(height, device=frame.device, dtype=frame.dtype) + 0.5) / height
    x = (torch.arange(width, device=frame.device, dtype=frame.dtype) + 0.5) / width
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(1, height * width, 2)
    corner, far = frame[:, None, :2], frame[:, None, 2:]
    return corner + grid * (far - corner)


class ChannelAttention(nn.Module):
    """Squeeze-and-excitation (Hu 2018): remaps the positional information of the patches onto the channels."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        hidden = max(4, channels // reduction)
        self.squeeze = nn.Linear(channels, hidden)
        self.excite = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        weights = torch.sigmoid(self.excite(F.relu(self.squeeze(x.mean((2, 3))))))
        return x * weights[:, :, None, None]


class CMAStage(nn.Module):
    """Compound multi-attention stage (figure 2): patch embedding, channel attention, residual block."""

    def __init__(
        self, inputs: int, embedding: int, outputs: int, strides: tuple[int, int], config: NetworkConfig
    ) -> None:
        super().__init__()
        self.embed = PatchEmbedding(inputs, embedding, strides[0], config)
        self.attention = ChannelAttention(embedding) if config.channel_attention else nn.Identity()
        self.block = ResidualBlock(embedding, outputs, config.norm, strides[1])

    def forward(self, x: Tensor, frame: Tensor) -> Tensor:
        return self.block(self.attention(self.embed(x, frame)))


# --- transformer and spatial attention (section III B) ---------------------------------------------------------------


class RelativePositionBias(nn.Module):
    """P of Eq. (1): a small MLP on log-spaced offsets, so that any map size has a bias: (h, w) -> (heads, N, N)."""

    def __init__(self, heads: int, hidden: int = 32) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(2, hidden), nn.GELU(), nn.Linear(hidden, heads, bias=False))

    def forward(self, height: int, width: int) -> Tensor:
        weight = next(self.mlp.parameters())
        dy = torch.arange(1 - height, height, device=weight.device)
        dx = torch.arange(1 - width, width, device=weight.device)
        offsets = torch.stack(torch.meshgrid(dy, dx, indexing="ij"), dim=-1).to(weight.dtype)
        offsets = offsets.sign() * torch.log1p(offsets.abs())
        table = self.mlp(offsets)  # (2h-1, 2w-1, heads)
        y = torch.arange(height, device=weight.device).repeat_interleave(width)
        x = torch.arange(width, device=weight.device).repeat(height)
        rows = y[:, None] - y[None, :] + height - 1
        columns = x[:, None] - x[None, :] + width - 1
        return table[rows, columns].permute(2, 0, 1)


class TransformerBlock(nn.Module):
    """Eq. (1) with LayerNorm on Q only, and Q itself in the residual.

    q = LN(Wq x);  x = q + Wo (softmax(q k^T / sqrt(d_k) + P) v);  x = x + MLP(LN x)

    Wq starts near the identity, because the residual carries Q instead of x. Tokens (B, N, C), memory (B, M, C) for
    keys and values (the tokens themselves in the encoder), bias (heads, N, M).
    """

    def __init__(self, width: int, heads: int, qk_norm: bool) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.query_norm = nn.LayerNorm(width)
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))
        self.head_norms = nn.ModuleList(nn.LayerNorm(width // heads) for _ in range(2)) if qk_norm else None
        with torch.no_grad():
            self.query.weight.normal_(std=0.02).add_(torch.eye(width))
            self.query.bias.zero_()

    def forward(self, x: Tensor, memory: Tensor, bias: Tensor) -> Tensor:
        query = self.query_norm(self.query(x))
        q, k, v = (split_heads(t, self.heads) for t in (query, self.key(memory), self.value(memory)))
        if self.head_norms is not None:
            q, k = self.head_norms[0](q), self.head_norms[1](k)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype)[None])
        x = query + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.mlp_norm(x))


def split_heads(tokens: Tensor, heads: int) -> Tensor:
    """(B, N, C) -> (B, heads, N, C/heads)."""
    return tokens.unflatten(2, (heads, -1)).transpose(1, 2)


class SpatialAttention(nn.Module):
    """The bridge between transformer encoder and decoder: dilated convolutions (after ASPP) make a spatial gate.

    The dilations shrink with the map, because a dilation beyond its border is a 1x1 convolution in disguise.
    """

    def __init__(self, width: int, norm: str, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.dilations = dilations
        self.branches = nn.ModuleList(conv3(width, width // 4) for _ in dilations)
        self.norm = normalization(norm, len(dilations) * (width // 4))
        self.fuse = nn.Conv2d(len(dilations) * (width // 4), width, 1)
        self.gate = nn.Conv2d(width, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        limit = max(1, min(x.shape[2:]) // 4)
        rates = [min(dilation, limit) for dilation in self.dilations]
        scales = [
            F.conv2d(x, branch.get_parameter("weight"), padding=rate, dilation=rate)
            for branch, rate in zip(self.branches, rates)
        ]
        fused = self.fuse(F.relu(self.norm(torch.cat(scales, dim=1))))
        return x + fused * torch.sigmoid(self.gate(fused))


class TransformerBottleneck(nn.Module):
    """Transformer encoder, spatial attention bridge, and decoder (Q from the bridge, K and V from the encoder)."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        width = config.widths[5]
        self.encoder = nn.ModuleList()
        self.decoder = nn.ModuleList()
        if config.transformer:
            for blocks in (self.encoder, self.decoder):
                blocks.extend(TransformerBlock(width, config.heads, config.qk_norm) for _ in range(config.depth))
            self.bias = RelativePositionBias(config.heads)
        self.bridge = SpatialAttention(width, config.norm) if config.spatial_attention else nn.Identity()
        self.gain = nn.Parameter(torch.zeros(width)) if config.gated and config.transformer else None

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        if not len(self.encoder):
            return self.bridge(x)
        bias = self.bias(height, width)
        memory = to_tokens(x)
        for block in self.encoder:
            memory = block(memory, memory, bias)
        tokens = to_tokens(self.bridge(to_maps(memory, height, width)))
        for block in self.decoder:
            tokens = block(tokens, memory, bias)
        found = to_maps(tokens, height, width)
        return found if self.gain is None else x + self.gain[:, None, None] * found


# --- decoder (section III A, cross-attention) ------------------------------------------------------------------------


class CrossAttention(nn.Module):
    """QKV cross-attention: each place of the decoder map asks the encoder's map what lies where.

    Keys and values are pooled to at most ``pooled`` x ``pooled`` tokens (spatial reduction after a depthwise
    convolution); queries keep their resolution. The result is added with a gain that starts at zero, so the network
    starts as a plain ResUNet: query (B, C, h, w), sources [(B, Ci, hi, wi)] -> (B, C, h, w).
    """

    def __init__(self, width: int, sources: list[int], config: NetworkConfig) -> None:
        super().__init__()
        self.pooled = config.pooled
        most = max(1, width // config.cross_head_width) if config.cross_head_width else width
        self.heads = max(n for n in range(1, most + 1) if math.gcd(config.heads, width) % n == 0)
        self.query_norm = normalization(config.norm, width)
        self.query = nn.Conv2d(width, width, 1)
        self.reduce = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1, groups=c) for c in sources)
        self.key_value = nn.ModuleList(nn.Linear(c, 2 * width) for c in sources)
        self.out = nn.Conv2d(width, width, 1)
        self.gain = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, sources: list[Tensor]) -> Tensor:
        height, width = x.shape[2:]
        keys, values = [], []
        for source, reduce, project in zip(sources, self.reduce, self.key_value):
            size = (min(self.pooled, source.shape[2]), min(self.pooled, source.shape[3]))
            key, value = project(to_tokens(F.adaptive_avg_pool2d(reduce(source), size))).chunk(2, dim=2)
            keys.append(key)
            values.append(value)
        q = split_heads(to_tokens(self.query(self.query_norm(x))), self.heads)
        k, v = split_heads(torch.cat(keys, 1), self.heads), split_heads(torch.cat(values, 1), self.heads)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.gain * self.out(to_maps(attended, height, width))


class DecoderStage(nn.Module):
    """Cross-attention, 1x1 squeeze, upsampling to the skip connection, and a residual block on both."""

    def __init__(self, inputs: int, skip: int, outputs: int, sources: list[int], config: NetworkConfig) -> None:
        super().__init__()
        self.cross = CrossAttention(inputs, sources, config) if config.cross_attention and sources else None
        self.squeeze = nn.Conv2d(inputs, outputs, 1)  # before the upsampling: at the high resolution it costs 16 times
        self.block = ResidualBlock(outputs + skip, outputs, config.norm)

    def forward(self, x: Tensor, skip: Tensor, sources: list[Tensor]) -> Tensor:
        if self.cross is not None:
            x = self.cross(x, sources)
        x = F.interpolate(self.squeeze(x), size=skip.shape[2:], mode="bilinear", align_corners=False)
        return self.block(torch.cat([x, skip], dim=1))


# --- the network -----------------------------------------------------------------------------------------------------


def _stages(config: NetworkConfig) -> list[tuple[int, int, int, tuple[int, int]]]:
    """Inputs, embedding, outputs and strides (of embedding and block) of each CMA stage."""
    last = config.bottleneck_stride // 16
    if config.layout == "pyramid":
        strides = [2, 2, 2, 2, last]
        return [(a, b, b, (stride, 1)) for a, b, stride in zip(config.widths, config.widths[1:], strides)]
    stem, e1, s1, e2, s2, s3 = config.widths
    return [(stem, e1, s1, (2, 2)), (s1, e2, s2, (2, 2)), (s2, s3, s3, (last, 1))]


class CMAformer(nn.Module):
    """The compound multi-attention transformer: slices in, logits and signed distance maps out.

    Args:
        config: see :class:`NetworkConfig`; :func:`configuration` gives the named ones.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Stem(config.in_channels, config.widths[0], config.norm)
        stages = _stages(config)
        for number, (inputs, embedding, outputs, strides) in enumerate(stages, 1):
            self.add_module(f"cma{number}", CMAStage(inputs, embedding, outputs, strides, config))
        self.bottleneck = TransformerBottleneck(config)
        found = [outputs for _, _, outputs, _ in stages]
        for number in range(len(stages), 0, -1):
            skip = stages[number - 1][0]
            outputs = config.widths[1] if number == 1 and config.layout == "compact" else skip
            sources = found if config.cross_sources == "all" else [found[number - 1]]
            if config.layout == "pyramid" and number == 1:
                sources = []  # stride 4 is the finest at which the paper's decoder asks
            self.add_module(f"up{number}", DecoderStage(found[number - 1], skip, outputs, sources, config))
        self.logits = nn.Conv2d(outputs, config.classes, 1)
        self.sdm = nn.Conv2d(outputs, config.classes - 1, 1)
        self.with_distances = True  # a segmentation needs none, and leaves `sdm` without channels
        self.deep = nn.ModuleList()
        self.depth = len(stages)
        if config.deep_supervision:
            self.deep.extend(nn.Conv2d(stages[number - 1][0], config.classes, 1) for number in self._deep_stages())

    def _deep_stages(self) -> tuple[int, int]:
        """The decoder stages whose results have strides 4 and 16."""
        return (2, 3) if self.config.layout == "compact" else (3, 5)

    def forward(self, x: Tensor, frame: Tensor | None = None) -> Prediction:
        """Predict a batch of slices.

        Args:
            x: (B, in_channels, H, W), any H and W; padded inside to a multiple of 32 and cropped back.
            frame: (B, 4) top, left, bottom, right of each image in coordinates of its whole slice ([-1, 1] from border
                to border), for crops; a whole slice if not given.

        Raises:
            ValueError: the shape of x does not fit, with what does.
        """
        if x.ndim != 4 or x.shape[1] != self.config.in_channels:
            raise ValueError(
                f"expected slices of shape (B, {self.config.in_channels}, H, W), but got {tuple(x.shape)}; "
                "this network was made for that number of channels"
            )
        height, width = x.shape[2:]
        if frame is None:
            frame = x.new_tensor([[-1.0, -1.0, 1.0, 1.0]]).expand(x.shape[0], 4)
        padded_height, padded_width = -(-height // STRIDE) * STRIDE, -(-width // STRIDE) * STRIDE
        if (padded_height, padded_width) != (height, width):
            x = F.pad(x, (0, padded_width - width, 0, padded_height - height))
            # The frame grows with the padding, so that every real pixel keeps its coordinates.
            grow = frame.new_tensor([padded_height / height, padded_width / width])
            frame = torch.cat([frame[:, :2], frame[:, :2] + (frame[:, 2:] - frame[:, :2]) * grow], dim=1)
        maps = [self.stem(x)]
        for number in range(1, self.depth + 1):
            maps.append(self.get_submodule(f"cma{number}")(maps[-1], frame))
        decoded = self.bottleneck(maps[-1])
        results: dict[int, Tensor] = {}
        for number in range(self.depth, 0, -1):
            sources = maps[1:] if self.config.cross_sources == "all" else [maps[number]]
            decoded = results[number] = self.get_submodule(f"up{number}")(decoded, maps[number - 1], sources)
        deep = tuple(head(results[number]) for head, number in zip(self.deep, self._deep_stages()))
        logits = self.logits(decoded)
        sdm = torch.tanh(self.sdm(decoded)) if self.with_distances else logits[:, :0]
        return Prediction(logits[:, :, :height, :width], sdm[:, :, :height, :width], deep)

    def parameter_count(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.parameters())
