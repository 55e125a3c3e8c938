"""AdamW with TensorFlow's fused kernel: one pass over each weight instead of a dozen."""

from typing import Any

import keras
import tensorflow as tf

from tfft.adamw import AdamW


@keras.saving.register_keras_serializable(package="tfft")
class FusedAdamW(AdamW):
    """`tfft.adamw.AdamW` whose update is one `ResourceApplyAdam` a weight.

    The same numbers up to rounding, and the same variables, so that either can go on from the
    other's state. Outside XLA the update in Keras operations moves about four times as many bytes;
    inside XLA, which fuses for itself, use that. The decay is one product, for the same reason.
    """

    def squared_norm(self, gradient: Any) -> Any:
        """Of one gradient, without its square being written down."""
        return 2.0 * tf.nn.l2_loss(gradient)

    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing yet: `update_step` does it."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Decays one weight, then updates it and its moments in place."""
        if self.weight_decay and self._use_weight_decay(variable):
            decay = tf.cast(learning_rate, variable.dtype) * self.weight_decay
            variable.assign(variable * (1.0 - decay))
        index = self._get_variable_index(variable)
        dtype = variable.dtype  # the kernel ends the process where one number has another
        power_1, power_2 = self.beta_powers(dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=power_1,
            beta2_power=power_2,
            lr=tf.cast(learning_rate, dtype),
            beta1=tf.constant(self.beta_1, dtype),
            beta2=tf.constant(self.beta_2, dtype),
            # The kernel, too, corrects the bias after adding epsilon.
            epsilon=tf.constant(self.epsilon, dtype) * tf.sqrt(1.0 - power_2),
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
            use_locking=False,
        )


def _handle(variable: Any) -> Any:
    # Keras passes the weights as tf.Variables, and keeps the moments as its own.
    return (variable.value if isinstance(variable, keras.Variable) else variable).handle
