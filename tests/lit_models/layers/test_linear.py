"""oneDNN's matrix product against PyTorch's, forward and backward, and where it is not used."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from lit_models.layers import linear as module
from lit_models.layers.linear import flop_formulas, linear


@pytest.fixture(autouse=True)
def small_products_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST", 1)


def tensors(dtype: torch.dtype = torch.float32, rows: int = 17) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    sizes = (rows, 12), (33, 12), (33,)
    return [torch.randn(size, generator=generator).to(dtype).requires_grad_() for size in sizes]


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("rows", [1, 17])
def test_it_equals_pytorchs_with_all_its_gradients(biased: bool, rows: int) -> None:
    given = tensors(rows=rows)[: 3 if biased else 2]
    assert module._by_onednn(*given[:2])
    outputs = [function(*given) for function in (linear, F.linear)]
    assert torch.allclose(*outputs, rtol=1e-5, atol=1e-5)
    weights = torch.randn(outputs[0].shape)
    gradients = [torch.autograd.grad((o * weights).sum(), given) for o in outputs]
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("bias", [torch.arange(66.0)[::2], torch.ones(1).expand(33)])
def test_a_bias_need_not_lie_in_one_piece(bias: Tensor) -> None:
    inputs, weight, _ = tensors()
    assert torch.allclose(linear(inputs, weight, bias), F.linear(inputs, weight, bias), atol=1e-5)


def test_no_gradient_is_computed_that_nobody_asks_for() -> None:
    inputs, weight, bias = tensors()
    linear(inputs.detach(), weight, bias).sum().backward()
    assert inputs.grad is None and weight.grad is not None and bias.grad is not None


def test_where_the_operator_is_not_known_pytorch_multiplies(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_product", lambda *_: pytest.fail("by oneDNN"))
    monkeypatch.setattr(module.mkldnn, "is_available", lambda: False)
    assert torch.equal(linear(*tensors()), F.linear(*tensors())) and not flop_formulas()


def test_double_precision_empty_inputs_and_autocast_are_pytorchs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_product", lambda *_: pytest.fail("by oneDNN"))
    inputs, weight, bias = tensors(torch.float64)
    assert torch.equal(linear(inputs, weight, bias), F.linear(inputs, weight, bias))
    inputs, weight, bias = tensors()
    assert linear(inputs[:0], weight, bias).shape == (0, 33)
    with torch.autocast("cpu", torch.bfloat16):
        assert linear(inputs, weight, bias).dtype == torch.bfloat16


def test_its_operations_can_be_counted() -> None:
    counter = FlopCounterMode(display=False, custom_mapping=flop_formulas())
    with counter, torch.no_grad():
        linear(*tensors())
    assert counter.get_total_flops() == 2 * 17 * 12 * 33


def test_the_layer_takes_any_number_of_dimensions() -> None:
    layer = module.Linear(12, 33)
    for shape in ((12,), (5, 12), (2, 5, 12), (2, 0, 12)):
        inputs = torch.randn(shape)
        expected = F.linear(inputs, layer.weight, layer.bias)
        found = layer(inputs)
        assert found.shape == expected.shape and torch.allclose(found, expected, atol=1e-6)


def test_small_products_are_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST", 17 * 12 * 33)
    assert module._by_onednn(*tensors()[:2]) and not module._by_onednn(*tensors(rows=16)[:2])


def test_a_program_that_is_exported_has_pytorchs_operators() -> None:
    program = torch.export.export(module.Linear(12, 33), (torch.randn(17, 12),))
    assert "mkldnn" not in str(program)


def test_a_compiled_layer_is_one_graph() -> None:
    layer, inputs = module.Linear(12, 33), torch.randn(17, 12)
    compiled = torch.compile(layer, backend="eager", fullgraph=True)
    assert torch.allclose(compiled(inputs), layer(inputs), atol=1e-6)


def test_linear_layers_of_a_module_become_these_and_others_stay() -> None:
    class Own(torch.nn.Linear):
        pass

    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Sequential(Own(4, 5)))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    module.multiply_by_onednn(net)
    assert [type(one) for one in (net[0], net[1][0])] == [module.Linear, Own]  # type: ignore[index]
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
