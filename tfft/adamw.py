"""AdamW as its paper and PyTorch have it."""

from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="tfft")
class AdamW(keras.optimizers.AdamW):
    """`keras.optimizers.AdamW` with epsilon where the paper has it.

    Keras adds epsilon to the root of the second moment before its bias is corrected, TensorFlow's
    "epsilon hat": in the first steps that is an epsilon up to 32 times larger. It holds back
    weights with small gradients, such as those of a loss that is a mean over many labels. Here the
    update is Algorithm 1 of Kingma and Ba 2015, with the decay of Loshchilov and Hutter 2019.

    With `global_clipnorm` the norm is that of the dense gradients. Keras takes the rows of a lookup
    one by one: a word that occurs twice counts as two, and the norm is another.

    Takes the same arguments and has the same variables; `amsgrad` is refused.
    """

    def __init__(self, *arguments: Any, amsgrad: bool = False, **options: Any) -> None:
        if amsgrad:
            raise ValueError(
                f"{type(self).__name__} has no amsgrad; use keras.optimizers.AdamW for it."
            )
        super().__init__(*arguments, amsgrad=amsgrad, **options)

    def _backend_apply_gradients(self, grads: list[Any], trainable_variables: list[Any]) -> None:
        # On TensorFlow a lookup's gradient is rows with their numbers; a reshape makes it dense.
        pairs = zip(grads, trainable_variables, strict=True)
        dense = [ops.reshape(grad, variable.shape) for grad, variable in pairs]
        super()._backend_apply_gradients(dense, trainable_variables)

    def squared_norm(self, gradient: Any) -> Any:
        """Of one dense gradient: a scalar."""
        return ops.sum(ops.square(gradient))

    def _clip_gradients(self, grads: list[Any]) -> list[Any]:
        if not self.global_clipnorm:
            return list(super()._clip_gradients(grads))
        norm = ops.sqrt(sum(self.squared_norm(grad) for grad in grads))
        # No number for an infinite norm, as Keras has it, so that it is seen.
        scale = self.global_clipnorm / ops.maximum(norm, self.global_clipnorm) + (norm - norm)
        return [grad * ops.cast(scale, grad.dtype) for grad in grads]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Updates one weight and its moments."""
        index = self._get_variable_index(variable)
        first, second = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        rate = ops.cast(learning_rate, variable.dtype)
        corrections = [1.0 - power for power in self.beta_powers(variable.dtype)]
        self.assign_add(first, ops.multiply(ops.subtract(gradient, first), 1.0 - self.beta_1))
        squared = ops.square(gradient)
        self.assign_add(second, ops.multiply(ops.subtract(squared, second), 1.0 - self.beta_2))
        root = ops.add(ops.sqrt(ops.divide(second, corrections[1])), self.epsilon)
        step = ops.divide(ops.multiply(first, rate / corrections[0]), root)
        self.assign_sub(variable, step)

    def beta_powers(self, dtype: Any) -> list[Any]:
        """`beta_1` and `beta_2` to the power of the number of this update, counted from 1."""
        update = ops.cast(self.iterations + 1, dtype)
        return [ops.power(ops.cast(beta, dtype), update) for beta in (self.beta_1, self.beta_2)]
